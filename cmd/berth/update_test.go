package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestUpdateFlagsThatAreNotGivenChangeNothing(t *testing.T) {
	for args, expected := range map[string]string{
		"--memory 64m":                    `{"Memory":67108864}`,
		"-m 0 --memory-swap -1":           `{"Memory":0,"MemorySwap":-1}`,
		"--cpus 1.5":                      `{"CPUPeriod":100000,"CPUQuota":150000}`,
		"--cpus 0":                        `{"CPUPeriod":0,"CPUQuota":0}`,
		"-c 512 --cpuset-cpus 0-1":        `{"CPUShares":512,"CPUSetCPUs":"0-1"}`,
		"--pids-limit 0":                  `{"PidsLimit":-1}`,
		"--blkio-weight 300":              `{"BlkioWeight":300}`,
		"--memory-swappiness 0":           `{"MemorySwappiness":0}`,
		"--restart on-failure:2":          `{"restart":{"name":"on-failure","maxRetries":2}}`,
		"--restart no":                    `{"restart":{"name":"no"}}`,
		"--health-retries 7":              `{"health":{"retries":7}}`,
		"--health-cmd true":               `{"health":{"test":["CMD-SHELL","true"]}}`,
		"--no-healthcheck":                `{"none":true}`,
		"--cpu-period 1000 --cpu-quota 0": `{"CPUPeriod":1000,"CPUQuota":0}`,
	} {
		f := twoContainers()
		mustPrint(t, with(f), "web\n", append(append([]string{"update"}, strings.Fields(args)...), "web")...)
		got := map[string]any{}
		data, _ := json.Marshal(f.updated.Limits)
		_ = json.Unmarshal(data, &got)
		for k, v := range got {
			if v == nil {
				delete(got, k)
			}
		}
		if f.updated.Restart != nil {
			got["restart"] = f.updated.Restart
		}
		if f.updated.Health != nil {
			got["health"] = f.updated.Health
		}
		if f.updated.NoHealthcheck {
			got["none"] = true
		}
		if text := sameJSON(t, got); text != sameJSON(t, json.RawMessage(expected)) {
			t.Errorf("update %s: expected %s, got %s", args, expected, text)
		}
	}
}

// sameJSON is a value as JSON with sorted names.
func sameJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var loose any
	if err := json.Unmarshal(data, &loose); err != nil {
		t.Fatal(err)
	}
	data, _ = json.Marshal(loose)
	return string(data)
}

func TestUpdateRefusesWhatIsNoChangeOrNoValue(t *testing.T) {
	for args, words := range map[string]string{
		"web":                          "nothing to change",
		"--memory lots web":            "--memory",
		"--restart sometimes web":      "restart policy",
		"--cpus 1 --cpu-quota 500 web": "exclude each other",
		"--health-interval soon web":   "--health-interval",
		"--cpus 1 nosuch":              "no such container",
	} {
		mustFail(t, with(twoContainers()), exitEngine, words, append([]string{"update"}, strings.Fields(args)...)...)
	}
	f := twoContainers()
	f.warnings = []string{"swap is not limited"}
	if got := berthWith(t, with(f), nil, "update", "-m", "1g", "web"); got.err != "Warning: swap is not limited\n" || got.out != "web\n" {
		t.Errorf("expected the name and a warning, got %q, %q", got.out, got.err)
	}
}
