package runtimetest

var handoverTests []test
