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

{{/* The head of an admission policy: (dict "root" $ "of" "pods"). */}}
{{- define "opsjobs.admissionPolicy" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ include "opsjobs.fullname" .root }}-{{ .of }}
  labels:
    {{- include "opsjobs.labels" .root | nindent 4 }}
{{- end -}}

{{/* Its binding: (dict "root" $ "of" "pods" "namespace" "opsjobs-jobs"); without a namespace it holds everywhere. */}}
{{- define "opsjobs.admissionBinding" -}}
{{- $name := printf "%s-%s" (include "opsjobs.fullname" .root) .of -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "opsjobs.labels" .root | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: [Deny]
  {{- with .namespace }}
  matchResources:
    namespaceSelector:
      matchLabels:
        kubernetes.io/metadata.name: {{ . }}
  {{- end }}
{{- end -}}

{{/* Whom a policy does not bind: break glass. */}}
{{- define "opsjobs.notExempt" -}}
- name: not-exempt
  expression: '!request.userInfo.groups.exists(group, group in {{ toJson .Values.admission.exemptGroups }})'
{{- end -}}

{{/* Nor these, where a policy is about pods that exist: kubelets, the scheduler, and Kubernetes' controllers. */}}
{{- define "opsjobs.notTheClusters" -}}
- name: not-the-clusters
  expression: >-
    !(request.userInfo.username in {{ concat (list "system:apiserver" "system:kube-scheduler" "system:kube-controller-manager") .Values.admission.trustedUsers | toJson }} ||
    request.userInfo.username.startsWith("system:serviceaccount:kube-system:") ||
    (request.userInfo.username.startsWith("system:node:") && request.userInfo.groups.exists(group, group == "system:nodes")))
{{- end -}}

{{/* The user that is the service; what the users of all steps begin with. */}}
{{- define "opsjobs.serviceUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "opsjobs.fullname" . }}
{{- end -}}
{{- define "opsjobs.stepUsers" -}}
system:serviceaccount:{{ .Values.jobs.namespace }}:opsjob-
{{- end -}}

{{/* Whether Argo's controller asks (CEL); where it is unknown who that is, whether at least none of our own accounts does. */}}
{{- define "opsjobs.isArgo" -}}
{{- if .Values.argo.controller -}}
request.userInfo.username == {{ printf "system:serviceaccount:%s" .Values.argo.controller | quote }}
{{- else -}}
{{- $own := printf "system:serviceaccount:%s:" .Release.Namespace -}}
!(request.userInfo.username.startsWith({{ $own | quote }}) || request.userInfo.username.startsWith({{ include "opsjobs.stepUsers" . | quote }}))
{{- end -}}
{{- end -}}

{{/* The variable `pod` (CEL): the pod that the asking token was made for, by its name; empty: for none. */}}
{{- define "opsjobs.podVariable" -}}
- name: pod
  expression: >-
    has(request.userInfo.extra) && "authentication.kubernetes.io/pod-name" in request.userInfo.extra ?
    request.userInfo.extra["authentication.kubernetes.io/pod-name"][0] : ""
{{- end -}}

{{/* Whether `pod` is a step of a job (CEL): (dict "root" $ "job" "variables.by" "steps" (list "check")); no steps: any. Argo names
pods <job>-<template>-<number>; that a job's name begins with another's must not make its pods the other's. */}}
{{- define "opsjobs.isStepOf" -}}
{{- $steps := .steps | default (include "opsjobs.stepNames" .root | fromJsonArray) -}}
({{ .job }} != "" && variables.pod.startsWith({{ .job }} + "-") &&
variables.pod.substring(size({{ .job }})).matches("^-({{ join "|" $steps }})-[0-9]+$"))
{{- end -}}

{{/* The names of all templates that become pods, as JSON. */}}
{{- define "opsjobs.stepNames" -}}
{{- $names := list -}}
{{- range $path, $_ := .Files.Glob "files/workflowtemplates/*.yaml" -}}
{{- range ($.Files.Get $path | fromYaml).spec.templates }}{{ if .container }}{{ $names = append $names .name }}{{ end }}{{ end -}}
{{- end -}}
{{- $names | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* A regular expression for images of one of these repositories, whatever their tag or digest; an entry that ends in / is
what the repository begins with. */}}
{{- define "opsjobs.imagesOf" -}}
{{- $repositories := list -}}
{{- range . -}}
{{- $repositories = append $repositories (ternary (printf "%s[a-z0-9._/-]+" (regexQuoteMeta .)) (regexQuoteMeta .) (hasSuffix "/" .)) -}}
{{- end -}}
^({{ join "|" $repositories }})(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@sha256:[0-9a-f]{64})?$
{{- end -}}

{{/* Why the service may fail a pod, as JSON: the reasons that workflow_templates/protocol knows, which a test compares. */}}
{{- define "opsjobs.podFailureReasons" -}}
["NeverStarted","NodeLost"]
{{- end -}}

{{/* That the variable `context` (CEL), a container's securityContext, asks no more than another: (dict "context" …). It holds that
one's restrictions, every one of its grants is one of that one's, and beside both it sets nothing but runAsNonRoot. */}}
{{- define "opsjobs.noMoreThan" -}}
{{- $context := .context -}}
variables.context.all(key, key in {{ append (keys $context | sortAlpha) "runAsNonRoot" | uniq | toJson }})
{{- range $key, $value := $context }}
{{- if eq $key "capabilities" }} &&
variables.context.?capabilities.?add.orValue([]).all(name, name in {{ $value.add | default list | toJson }}) &&
{{ $value.drop | default list | toJson }}.all(name, name in variables.context.?capabilities.?drop.orValue([]))
{{- else if kindIs "map" $value }} &&
variables.context.?{{ $key }}.orValue({}).all(key, key in {{ keys $value | sortAlpha | toJson }})
{{- range $name, $part := $value }} &&
variables.context.?{{ $key }}.?{{ $name }}.orValue("") == {{ toJson $part }}
{{- end }}
{{- else if ne $key "runAsNonRoot" }} &&
variables.context.?{{ $key }} == optional.of({{ ternary (toString $value) (toJson $value) (kindIs "float64" $value) }})
{{- else if $value }} &&
variables.context.?runAsNonRoot.orValue(false)
{{- end }}
{{- end }}
{{- end -}}
