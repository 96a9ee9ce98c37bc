// Go lets a package import kind's internal ones when its own path lies below sigs.k8s.io/kind/pkg. The name
// is chosen for that: kind's loader and validation are internal, and a copy of them would drift.
module sigs.k8s.io/kind/pkg/kindcheck

go 1.26.0

require sigs.k8s.io/kind v0.33.0

require (
	github.com/pkg/errors v0.9.1 // indirect
	go.yaml.in/yaml/v3 v3.0.4 // indirect
)
