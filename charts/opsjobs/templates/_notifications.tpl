{{/* The receivers of notifications as the service reads them, as JSON: without their Secrets. */}}
{{- define "opsjobs.receivers" -}}
{{- $found := list -}}
{{- range .Values.notifications.receivers -}}
{{- $receiver := dict "name" .name "format" (.format | default "json") "plain_http" (.plainHttp | default false) "wait_seconds" (.waitSeconds | default 3600) -}}
{{- $_ := set $receiver "events" (.events | default (list "gate" "paused" "nodeFailed" "ended" "leftCordoned" "waits")) -}}
{{- $_ := set $receiver "types" (.types | default list) -}}
{{- $_ := set $receiver "phases" (.phases | default list) -}}
{{- $_ := set $receiver "workspaces" (.workspaces | default list) -}}
{{- $found = append $found $receiver -}}
{{- end -}}
{{- $found | toJson -}}
{{- end -}}

{{/* The service's mounts of their Secrets, and the volumes. A Secret that is not there holds up no pod. */}}
{{- define "opsjobs.receiverMounts" -}}
{{- range .Values.notifications.receivers }}
- name: receiver-{{ .name }}
  mountPath: /etc/opsjobs-receivers/{{ .name }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "opsjobs.receiverVolumes" -}}
{{- range .Values.notifications.receivers }}
- name: receiver-{{ .name }}
  secret:
    secretName: {{ .existingSecret }}
    defaultMode: 0440
    optional: true
    items:
      - {key: {{ .urlKey | default "url" }}, path: url}
      {{- with .signingKey }}
      - {key: {{ . }}, path: signingKey}
      {{- end }}
{{- end }}
{{- end -}}
