// Package libpod holds the wire types of podman's API and commands, and the functions that make them of what package engine
// says. Field names and types are podman's (versions 4 and 5); where Docker's document has a field of the same meaning under
// another name, both are there, so that one document serves the tools of either.
package libpod
