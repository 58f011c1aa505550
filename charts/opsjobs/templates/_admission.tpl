{{/* The Pod Security level of the checks' namespace: baseline, or privileged where the values ask for what baseline refuses. */}}
{{- define "opsjobs.checksLevel" -}}
{{- $context := .Values.preflight.securityContext -}}
{{- $baseline := list "AUDIT_WRITE" "CHOWN" "DAC_OVERRIDE" "FOWNER" "FSETID" "KILL" "MKNOD" "NET_BIND_SERVICE" "SETFCAP" "SETGID" "SETPCAP" "SETUID" "SYS_CHROOT" -}}
{{- $more := or .Values.preflight.hostPaths $context.privileged $context.seLinuxOptions $context.windowsOptions -}}
{{- range dig "capabilities" "add" list $context }}{{ if not (has . $baseline) }}{{ $more = true }}{{ end }}{{ end -}}
{{- range list "seccompProfile" "appArmorProfile" }}{{ if eq (dig . "type" "" $context) "Unconfined" }}{{ $more = true }}{{ end }}{{ end -}}
{{- if ne ($context.procMount | default "Default") "Default" }}{{ $more = true }}{{ end -}}
{{- ternary "privileged" "baseline" (not (not $more)) -}}
{{- end -}}
