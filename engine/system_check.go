package engine

// CheckReport is what Check found.
type CheckReport struct {
	Problems []Problem
}

// Problem is one thing that is not as it should be.
type Problem struct {
	// Object is what it is about: "database /var/lib/berth/berth.db", "container 0123…", "volume data".
	Object string
	// What is wrong.
	What string
	// Remedy is what was done about it, or what can be done.
	Remedy   string
	Repaired bool
}
