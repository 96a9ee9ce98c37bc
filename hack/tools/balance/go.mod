module ragops.dev/hack/tools/balance

go 1.26.0
