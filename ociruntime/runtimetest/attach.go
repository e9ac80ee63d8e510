package runtimetest

var attachTests []test
