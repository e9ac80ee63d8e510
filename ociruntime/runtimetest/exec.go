package runtimetest

var execTests []test
