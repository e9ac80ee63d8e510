// Package docs holds the documents that are more than one page, and the tests that keep them true. There is no code in it.
package docs
