package runtimetest

var stdioTests []test
