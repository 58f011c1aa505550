{{- define "opsjobs.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "opsjobs.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "opsjobs.labels" -}}
{{ include "opsjobs.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: opsjobs
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "opsjobs.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "opsjobs.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Restricted Pod Security, for every pod of the release's namespace. */}}
{{- define "opsjobs.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ .Values.runAsUser }}
runAsGroup: {{ .Values.runAsUser }}
fsGroup: {{ .Values.runAsUser }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "opsjobs.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "opsjobs.usesSqlite" -}}
{{- if not .Values.database.existingSecret }}yes{{ end -}}
{{- end -}}

{{- define "opsjobs.claimName" -}}
{{ .Values.persistence.existingClaim | default (printf "%s-records" (include "opsjobs.fullname" .)) }}
{{- end -}}

{{/* Job type → name of its WorkflowTemplate, as JSON. The names are read out of the rendered files. */}}
{{- define "opsjobs.templates" -}}
{{- $names := dict -}}
{{- range $path, $_ := .Files.Glob "files/workflowtemplates/*.yaml" -}}
{{- $template := $.Files.Get $path | fromYaml -}}
{{- $_ := set $names (base $path | trimSuffix ".yaml") $template.metadata.name -}}
{{- end -}}
{{- $names | toJson -}}
{{- end -}}
