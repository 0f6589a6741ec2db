package gateway

import "fmt"

// Operations names every operation of S3 that is served.
func Operations() []string {
	var list []string
	for r := range routes {
		on := map[level]string{onService: "service", onBucket: "bucket", onObject: "object"}[r.on]
		list = append(list, fmt.Sprintf("%s %s %s", r.method, on, r.sub))
	}
	return list
}
