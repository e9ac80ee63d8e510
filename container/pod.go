package container

import "time"

// Pod is a group of containers that are made, started and removed together, and may share namespaces. Which containers are in
// it is said by each container's Config.Pod.
type Pod struct {
	Config PodConfig
	State  PodState
}

// PodConfig is what a pod was created with. It is immutable once written, as a container's Config is.
type PodConfig struct {
	// ID is 64 lower-case hexadecimal digits, unique across containers and pods.
	ID string `json:"id"`
	// Name is unique across containers and pods, and matches NamePattern.
	Name string `json:"name"`
	// Namespace is the store namespace, empty for none. All containers of the pod are of the same.
	Namespace string    `json:"namespace,omitempty"`
	Created   time.Time `json:"created"`
	// CreateCommand is the command line that made the pod, for inspect.
	CreateCommand []string          `json:"createCommand,omitempty"`
	Hostname      string            `json:"hostname,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	CgroupParent  string            `json:"cgroupParent,omitempty"`
	// Share are the kinds of namespaces that the containers have in common: cgroup, ipc, net, pid, user, uts.
	Share []string `json:"share,omitempty"`
	// Infra: the pod has a container that does nothing but hold the namespaces.
	Infra bool `json:"infra,omitempty"`
	// ExitPolicy says what becomes of the pod when its last container exits: continue (or empty), stop.
	ExitPolicy string        `json:"exitPolicy,omitempty"`
	Restart    RestartPolicy `json:"restart"`
}

// PodState is what has become of a pod.
type PodState struct {
	// Infra is the ID of the infra container.
	Infra string `json:"infra,omitempty"`
	// CgroupPath is relative to the root of the hierarchies; a reboot voids it.
	CgroupPath string `json:"cgroupPath,omitempty"`
}
