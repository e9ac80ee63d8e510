// Package monitor is the inside of berth-monitor, the process that holds one running container or exec session: it has the OCI
// runtime create it, holds its standard streams or terminal, serves attach, writes the log, sees the exit, records it, and then
// becomes the clean-up command.
//
// One monitor lives as long as its container, so it is built for little memory and for a long life:
//
//   - One goroutine, one epoll loop (loop.go). Whatever is ready is handled without blocking; nothing in the loop waits.
//   - Of the standard library only syscall, strconv and errors: packages such as os, time or x/sys/unix cost 40 to 100 KB of
//     private memory each, of a budget of 600.
//   - The data path allocates nothing. The garbage collector is off (the starter sets GOGC=off with GOMEMLIMIT as a backstop); buffers
//     are mapped, and given back to the kernel when the container has been quiet for a second.
//
// Output is read in chunks (output.go). A chunk goes into the log and to every client; the next is read when all clients have
// taken it. So the only buffers that clients have are their sockets' own, and a slow client holds the container back, as a slow
// terminal would, for two seconds at most: then it is dropped, unless it is the one that was there from the start.
//
// Signals: HUP, INT, QUIT and TERM are ignored. A monitor ends when its container has ended, whatever becomes of the session or
// service that started it; to end it, end the container. PIPE is no concern of a program that looks at its errors.
//
// What is not here: any knowledge of the store, of images, of policy. The monitor knows paths and commands that it was given.
package monitor
