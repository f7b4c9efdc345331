// Package pagecache makes the kernel forget what it holds of a file in memory, so that what is read
// next comes from the disk. After a sync that failed the two may differ: the kernel marks pages
// clean that it could not write.
package pagecache
