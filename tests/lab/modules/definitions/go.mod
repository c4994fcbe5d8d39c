module lab/definitions

go 1.26.0

require (
	github.com/envoyproxy/gateway v1.5.0
	github.com/kedacore/keda/v2 v2.17.0
	github.com/kserve/kserve v0.17.0
	github.com/traefik/traefik/v3 v3.7.13
	istio.io/api v1.29.0
	sigs.k8s.io/cluster-inventory-api v0.1.0
	sigs.k8s.io/external-dns v0.20.0
	sigs.k8s.io/gateway-api-inference-extension v1.0.0
	sigs.k8s.io/mcs-api v0.3.0
)
