package txn

// Waiting is how many Updates wait or run.
func (x *Rows) Waiting() int {
	x.queue.mu.Lock()
	defer x.queue.mu.Unlock()
	return len(x.queue.waiting)
}
