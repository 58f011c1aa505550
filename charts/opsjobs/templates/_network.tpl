{{/* The number that an IPv4 address is, without its last bits: (list "10.1.2.3" 24), as text. */}}
{{- define "opsjobs.network" -}}
{{- $number := 0 -}}
{{- range splitList "." (first .) }}{{ $number = add (mul $number 256) (int64 .) }}{{ end -}}
{{- range until (int (sub 32 (last .))) }}{{ $number = div $number 2 }}{{ end -}}
{{- $number -}}
{{- end -}}

{{/* How the first of two IPv4 blocks (list "10.0.0.0/8" "10.1.0.0/16") lies to the second: around it, within it, or (empty) apart. */}}
{{- define "opsjobs.overlap" -}}
{{- $one := splitList "/" (first .) -}}
{{- $two := splitList "/" (last .) -}}
{{- $shorter := min (int (last $one)) (int (last $two)) -}}
{{- if eq (include "opsjobs.network" (list (first $one) $shorter)) (include "opsjobs.network" (list (first $two) $shorter)) -}}
{{- ternary "around" "within" (lt (int (last $one)) (int (last $two))) -}}
{{- end -}}
{{- end -}}

{{/* Where no check may call, as JSON: clouds' metadata services, and the API server as far as it is known. */}}
{{- define "opsjobs.checksNeverCall" -}}
{{- $never := concat (list "169.254.0.0/16") .Values.checks.networkPolicy.apiServer -}}
{{- $service := lookup "v1" "Service" "default" "kubernetes" | default dict -}}
{{- range dig "spec" "clusterIPs" list $service }}{{ $never = append $never (printf "%s/%s" . (ternary "128" "32" (contains ":" .))) }}{{ end -}}
{{- $slices := lookup "discovery.k8s.io/v1" "EndpointSlice" "default" "" | default dict -}}
{{- range dig "items" list $slices -}}
{{- if eq (dig "metadata" "labels" "kubernetes.io/service-name" "" .) "kubernetes" -}}
{{- range .endpoints }}{{ range .addresses }}{{ $never = append $never (printf "%s/%s" . (ternary "128" "32" (contains ":" .))) }}{{ end }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $never | uniq | toJson -}}
{{- end -}}

{{/* A NetworkPolicy peer of checks.networkPolicy.to with the exceptions that it needs: (dict "root" $ "peer" …), as JSON. */}}
{{- define "opsjobs.checksPeer" -}}
{{- $peer := .peer -}}
{{- with .peer.ipBlock -}}
{{- $except := .except | default list -}}
{{- if eq .cidr "::/0" }}{{ $except = concat $except (list "fe80::/10" "fd00:ec2::254/128") }}{{ end -}}
{{- if not (contains ":" .cidr) -}}
{{- $cidr := .cidr -}}
{{- range include "opsjobs.checksNeverCall" $.root | fromJsonArray -}}
{{- if not (contains ":" .) -}}
{{- $lies := include "opsjobs.overlap" (list $cidr .) -}}
{{- if eq $lies "within" -}}
{{- fail (printf "checks.networkPolicy.to: %s lies within %s, which no check may call (a cloud's metadata service, or the API server): take it out." $cidr .) -}}
{{- end -}}
{{- if eq $lies "around" }}{{ $except = append $except . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $block := dict "cidr" .cidr -}}
{{- if $except }}{{ $_ := set $block "except" (uniq $except) }}{{ end -}}
{{- $peer = dict "ipBlock" $block -}}
{{- end -}}
{{- $peer | toJson -}}
{{- end -}}
