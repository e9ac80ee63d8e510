package runtimetest

var terminalTests []test
