package client

import (
	"strconv"
	"testing"

	"caret/api/v1"
)

// TestCircles: a listing that goes in circles ends, whatever leads into the circle and
// however long it is, and one that does not is read to its end.
func TestCircles(t *testing.T) {
	for _, ahead := range []int{0, 1, 7} {
		for _, round := range []int{1, 2, 3, 10} {
			asked := 0
			_, err := All(func(after string) (v1.Page[int], error) {
				n, _ := strconv.Atoi(after)
				if asked++; asked > 1000 {
					t.Fatalf("%d and %d: asked for ever", ahead, round)
				}
				if n++; n > ahead+round {
					n = ahead + 1
				}
				return v1.Page[int]{Items: []int{n}, Next: strconv.Itoa(n)}, nil
			})
			if err == nil {
				t.Errorf("%d and %d: no error", ahead, round)
			}
		}
	}
	all, err := All(func(after string) (v1.Page[int], error) {
		n, _ := strconv.Atoi(after)
		if n == 99 {
			return v1.Page[int]{Items: []int{n}}, nil
		}
		return v1.Page[int]{Items: []int{n}, Next: strconv.Itoa(n + 1)}, nil
	})
	if len(all) != 100 || err != nil {
		t.Errorf("%d, %v", len(all), err)
	}
}
