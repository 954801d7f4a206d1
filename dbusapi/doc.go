// Package dbusapi is the bus interface org.cssc.Agent1.
package dbusapi
