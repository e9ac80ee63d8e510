package event

import "strings"

// Docker returns the action in Docker's word for an object of type t (Docker Engine API, "Monitor events"). Those that Docker
// does not know keep podman's.
func (a Action) Docker(t Type) string {
	switch a {
	case Died:
		return "die"
	case Exec:
		return "exec_start"
	case ExecDied:
		return "exec_die"
	case Remove:
		if t == Image {
			return "delete"
		}
		return "destroy"
	case LoadImage:
		return "load"
	}
	return string(a)
}

// Docker returns the type in Docker's word.
func (t Type) Docker() string {
	if t == System {
		return "daemon"
	}
	return string(t)
}

// actions returns what a person means by a word for an action, of Docker's or podman's: none if there is no such action. What
// follows a colon (exec_start: sh, health_status: healthy) is no part of it.
func actions(word string) []Action {
	word, _, _ = strings.Cut(word, ":")
	switch word {
	case "die":
		return []Action{Died}
	case "destroy", "delete":
		return []Action{Remove}
	case "exec_create", "exec_start":
		return []Action{Exec}
	case "exec_die":
		return []Action{ExecDied}
	case "load":
		return []Action{LoadImage}
	}
	return []Action{Action(word)}
}
