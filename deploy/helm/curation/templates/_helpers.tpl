{{- define "curation.labels" -}}
app.kubernetes.io/name: curation
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "curation.podSpec" -}}
serviceAccountName: {{ .Release.Name }}-curation
automountServiceAccountToken: false
# Else Kubernetes sets CURATION_… variables of its own, for services of such names.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
volumes:
  - name: installation
    secret: {secretName: {{ .Values.secrets.installation | quote }}}
  - name: s3
    secret: {secretName: {{ .Values.secrets.s3 | quote }}}
  - name: scratch
    emptyDir: {}
  - name: shm
    emptyDir: {medium: Memory}
{{- end }}

{{- define "curation.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
envFrom:
  - configMapRef: {name: {{ .Release.Name }}-curation}
volumeMounts:
  - {name: installation, mountPath: /run/secrets/installation, readOnly: true}
  - {name: s3, mountPath: /run/secrets/s3, readOnly: true}
  - {name: scratch, mountPath: /tmp}
  - {name: shm, mountPath: /dev/shm}
{{- end }}
