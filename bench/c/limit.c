/* The physical limit of fan-out: one thread, one send() per event and stream, and nothing else.

       PORT=… FRAME=… limit        FRAME: a file with the bytes of one event

   GET holds the connection as a stream. POST /COUNT sends the frame COUNT times to every stream,
   each time with a send() of its own, and answers with how many sends a full socket refused. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, MOST = 65536, FRAME = 65536, READY = 512 };

static const char HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

static char frame[FRAME];
static size_t frame_bytes;
static int streams[MOST];
static int open_streams;
static int poll_fd;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void raise_limit(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static void watch(int fd) {
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &wanted) < 0) fail("epoll_ctl");
}

static int listen_on(int port) {
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0) fail("bind");
    if (listen(fd, BACKLOG) < 0) fail("listen");
    return fd;
}

static void take_in(int listening) {
    int on = 1, fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(fd);
}

static void forget(int fd) {
    close(fd);
    for (int i = 0; i < open_streams; i++)
        if (streams[i] == fd) {
            streams[i] = streams[--open_streams];
            return;
        }
}

static long publish(int count) {
    long refused = 0;
    for (int event = 0; event < count; event++)
        for (int i = 0; i < open_streams; i++)
            if (send(streams[i], frame, frame_bytes, MSG_NOSIGNAL) != (ssize_t)frame_bytes)
                refused++;
    return refused;
}

static void answer(int fd, long told) {
    char body[32], whole[128];
    int length = snprintf(body, sizeof body, "%ld", told);
    int size = snprintf(whole, sizeof whole, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s",
                        length, body);
    if (write(fd, whole, (size_t)size) != size) forget(fd);
}

static void hear(int fd) {
    char request[4096];
    ssize_t got = read(fd, request, sizeof request - 1);
    if (got <= 0) {
        forget(fd);
        return;
    }
    request[got] = 0;
    if (!strncmp(request, "GET /readyz", 11)) {
        answer(fd, 0);
    } else if (!strncmp(request, "GET", 3)) {
        if (open_streams < MOST && write(fd, HEAD, sizeof HEAD - 1) > 0)
            streams[open_streams++] = fd;
    } else {
        answer(fd, publish(atoi(request + sizeof "POST /" - 1)));
    }
}

int main(void) {
    const char *port = getenv("PORT"), *name = getenv("FRAME");
    if (!port || !name) return 2;
    raise_limit();
    FILE *file = fopen(name, "rb");
    if (!file) fail(name);
    frame_bytes = fread(frame, 1, sizeof frame, file);
    fclose(file);
    poll_fd = epoll_create1(0);
    int listening = listen_on(atoi(port));
    watch(listening);
    for (;;) {
        struct epoll_event ready[READY];
        int found = epoll_wait(poll_fd, ready, READY, -1);
        for (int i = 0; i < found; i++)
            if (ready[i].data.fd == listening)
                take_in(listening);
            else
                hear(ready[i].data.fd);
    }
}
