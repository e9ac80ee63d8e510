package runtimetest

var failureTests []test
