package runtimetest

var killTests []test
