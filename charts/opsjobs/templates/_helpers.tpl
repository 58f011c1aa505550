{{/* Every job type, as service/domain/job.py has them. */}}
{{- define "opsjobs.jobTypes" -}}addon preflight dumplog reboot exportimage{{- end -}}

{{- define "opsjobs.name" -}}
{{- .Values.nameOverride | default .Chart.Name -}}
{{- end -}}

{{/* What the names of the release's objects are, or begin with. */}}
{{- define "opsjobs.fullname" -}}
{{- $name := include "opsjobs.name" . -}}
{{- $whole := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $whole | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "opsjobs.selectorLabels" -}}
app.kubernetes.io/name: {{ include "opsjobs.name" . }}
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
{{- with .Values.image -}}
{{- $tag := .tag | default (ternary "" $.Chart.AppVersion (ne .digest "")) -}}
{{ .repository }}{{ with $tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
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

{{/* The Secret with the service's certificate; empty: it speaks plain HTTP. */}}
{{- define "opsjobs.tlsSecret" -}}
{{- with .Values.tls -}}
{{- if .existingSecret }}{{ .existingSecret }}{{ else if .certManager.issuerRef.name }}{{ include "opsjobs.fullname" $ }}-tls{{ end -}}
{{- end -}}
{{- end -}}

{{- define "opsjobs.scheme" -}}
{{- if include "opsjobs.tlsSecret" . }}https{{ else }}http{{ end -}}
{{- end -}}

{{- define "opsjobs.port" -}}
{{- .Values.service.port | default (ternary 443 80 (eq (include "opsjobs.scheme" .) "https")) -}}
{{- end -}}

{{/* How the cluster calls the service, and the name that its certificate holds. */}}
{{- define "opsjobs.serviceName" -}}
{{ include "opsjobs.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{- define "opsjobs.serverName" -}}
{{ .Values.tls.serverName | default (include "opsjobs.serviceName" .) }}
{{- end -}}

{{- define "opsjobs.claimName" -}}
{{ .Values.persistence.existingClaim | default (printf "%s-records" (include "opsjobs.fullname" .)) }}
{{- end -}}

{{- define "opsjobs.hasStore" -}}
{{- if .Values.objectStore.bucket }}yes{{ end -}}
{{- end -}}

{{/* Whether the service itself reads the object store. */}}
{{- define "opsjobs.readsStore" -}}
{{- if and (include "opsjobs.hasStore" .) .Values.objectStore.serviceSecret }}yes{{ end -}}
{{- end -}}

{{/* Whether a WorkflowTemplate, given as text, has all that it needs here and is the one of its type that the values choose:
(dict "root" $ "path" … "text" …). */}}
{{- define "opsjobs.canRun" -}}
{{- $withNodes := hasSuffix "/dumplog-with-nodes.yaml" .path -}}
{{- $chosen := or (not (contains "/dumplog" .path)) (eq $withNodes .root.Values.dumplog.nodeLogs.enabled) -}}
{{- $store := or (include "opsjobs.hasStore" .root) (not (contains "OPSJOBS_STORE_SECRET" .text)) -}}
{{- $registry := or .root.Values.exportImage.registry (not (contains "OPSJOBS_REGISTRY_SECRET" .text)) -}}
{{- if and $store $registry $chosen }}yes{{ end -}}
{{- end -}}

{{/* Job type → name of its WorkflowTemplate, as JSON; of a type with another one for rollouts, that too, as <type>-rollout. The names
are read out of the rendered files. */}}
{{- define "opsjobs.templates" -}}
{{- $names := dict -}}
{{- range $path, $_ := .Files.Glob "files/workflowtemplates/*.yaml" -}}
{{- $text := $.Files.Get $path -}}
{{- if include "opsjobs.canRun" (dict "root" $ "path" $path "text" $text) -}}
{{- $metadata := ($text | fromYaml).metadata -}}
{{- $type := get $metadata.labels "opsjob.io/type" -}}
{{- $_ := set $names (ternary (printf "%s-rollout" $type) $type (hasSuffix "-rollout.yaml" $path)) $metadata.name -}}
{{- end -}}
{{- end -}}
{{- $names | toJson -}}
{{- end -}}

{{/* The ServiceAccount of one job type's steps with its rights: (dict "root" $ "type" "addon" "rules" … "clusterRules" …).
Argo's executor needs workflowtaskresults; what a type needs beside that, its own file says. */}}
{{- define "opsjobs.stepAccount" -}}
{{- $account := printf "opsjob-%s" .type -}}
{{- $clusterName := printf "%s-%s" (include "opsjobs.fullname" .root) .type -}}
{{- $namespace := .root.Values.jobs.namespace -}}
{{- $labels := include "opsjobs.labels" .root -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $account }}
  namespace: {{ $namespace }}
  labels:
    {{- $labels | nindent 4 }}
# Argo's executor in every step pod reports with it.
automountServiceAccountToken: true
{{ include "opsjobs.pullSecrets" .root }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $account }}
  namespace: {{ $namespace }}
  labels:
    {{- $labels | nindent 4 }}
rules:
  - apiGroups: [argoproj.io]
    resources: [workflowtaskresults]
    verbs: [create, patch]
  {{- with .rules }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $account }}
  namespace: {{ $namespace }}
  labels:
    {{- $labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $account }}
subjects:
  - kind: ServiceAccount
    name: {{ $account }}
    namespace: {{ $namespace }}
{{- with .clusterRules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $clusterName }}
  labels:
    {{- $labels | nindent 4 }}
rules:
  {{- toYaml . | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $clusterName }}
  labels:
    {{- $labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $clusterName }}
subjects:
  - kind: ServiceAccount
    name: {{ $account }}
    namespace: {{ $namespace }}
{{- end }}
{{- end -}}

{{/* The securityContext of the container that runs a check, as JSON. */}}
{{- define "opsjobs.checkSecurityContext" -}}
{{- $context := deepCopy .Values.preflight.securityContext -}}
{{- if .Values.preflight.runAsNonRoot }}{{ $_ := set $context "runAsNonRoot" true }}{{ end -}}
{{- $context | toJson -}}
{{- end -}}
