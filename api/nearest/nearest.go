// Package nearest finds what a misspelt name was meant for. It imports
// nothing of caret.
package nearest

// Of is the one of names that name may have been meant for, "" if none is
// near: at most two letters are to be changed, added or left out, and fewer
// than name has.
func Of(name string, names []string) string {
	best, least := "", min(3, len(name))
	for _, n := range names {
		if len(n) >= len(name)+least || len(name) >= len(n)+least {
			continue // the lengths alone differ by more
		}
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is the number of letters to change, add or leave out.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
