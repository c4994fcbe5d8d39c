#!/bin/sh
# Prints a kubeconfig for the ServiceAccount cutover-remote of the cluster that kubectl speaks to.
#
#   KUBECONFIG=the-remote-one ./kubeconfig.sh [NAMESPACE [DURATION]] > kubeconfig
#
# The token ends after DURATION (default 720h; the cluster may grant less): make a new one before.
set -eu

namespace=${1:-inference}
duration=${2:-720h}
here='{.clusters[0].cluster'

token=$(kubectl create token cutover-remote --namespace "$namespace" --duration "$duration")
server=$(kubectl config view --minify --raw --output "jsonpath=$here.server}")
authority=$(kubectl config view --minify --raw --flatten --output "jsonpath=$here.certificate-authority-data}")

cat <<END
apiVersion: v1
kind: Config
clusters:
- name: remote
  cluster:
    server: $server${authority:+
    certificate-authority-data: $authority}
users:
- name: cutover-remote
  user:
    token: $token
contexts:
- name: remote
  context: {cluster: remote, user: cutover-remote, namespace: $namespace}
current-context: remote
END
