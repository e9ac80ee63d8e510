package runtimetest

var logTests []test
