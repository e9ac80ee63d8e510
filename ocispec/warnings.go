package ocispec

import "fmt"

// warnings are sentences for the user.
type warnings []string

func (w *warnings) add(format string, args ...any) { *w = append(*w, fmt.Sprintf(format, args...)) }
