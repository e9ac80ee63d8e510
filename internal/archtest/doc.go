// Package archtest holds the rules of the tree's shape, as tests: which package may import which. There is no code in it.
package archtest
