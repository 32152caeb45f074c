/* Thousands of readers of event streams in one thread: it opens them, reads, and counts events.

       listeners PORT PATH HEADS MARK READY BUFFER

   HEADS: a file with the header lines of one stream per line, a tab between two of them.
   MARK: how the line begins that is counted as an event. READY: how the line begins that says a
   stream is live; empty: its first byte says so. BUFFER: bytes the kernel may keep for a reader;
   0: as many as it likes.

   Commands, one line each; each is answered by one line of numbers:
       open COUNT IN_FLIGHT  open so many more, so many waiting to be live at a time: live, s
       wait TOTAL SECONDS    until so many events were heard in all: heard, s
       counts                heard; least and most of a stream; again or out of order; live; resumed;
                             ended; heartbeats
       reset                 forget what was counted
       stop COUNT            read no more from the first so many
       close                 close all; the next `open` begins with the first line of HEADS again */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 65536, LINE = 64, CHUNK = 1 << 18, READY = 256, HEADERS = 2048 };

struct stream {
    int fd;
    int is_live, has_resumed, has_event; /* has_event: the present frame has the mark */
    long id, last, heard;
    int length;
    char line[LINE]; /* how the present line begins */
};

static struct stream streams[MOST];
static int opened, live, resumed, ended;
static long heard, again, ticks;
static const char *mark, *ready_mark, *path;
static int port, poll_fd, buffer_bytes;
static FILE *heads;

enum goal { NONE, OPEN, WAIT };
static enum goal goal;
static int goal_opened, in_flight;
static long goal_heard;
static double began, deadline;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

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

static int write_request(char *request, int size) {
    char lines[HEADERS];
    if (!fgets(lines, sizeof lines, heads)) {
        fprintf(stderr, "there are no more lines of headers\n");
        exit(1);
    }
    int length = snprintf(request, (size_t)size, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n", path);
    for (char *each = strtok(lines, "\t\n"); each; each = strtok(NULL, "\t\n"))
        length += snprintf(request + length, (size_t)(size - length), "%s\r\n", each);
    return length + snprintf(request + length, (size_t)(size - length), "\r\n");
}

static void open_one(void) {
    char request[HEADERS * 2];
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int length = write_request(request, sizeof request);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) fail("socket");
    if (buffer_bytes) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    if (connect(fd, (struct sockaddr *)&there, sizeof there) < 0) fail("connect");
    if (write(fd, request, (size_t)length) != length) fail("write");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = (unsigned)opened};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &wanted) < 0) fail("epoll_ctl");
    streams[opened++] = (struct stream){.fd = fd};
}

static int begins(const struct stream *stream, const char *with) {
    size_t length = strlen(with);
    return (size_t)stream->length >= length && !memcmp(stream->line, with, length);
}

static void be_live(struct stream *stream) {
    live += !stream->is_live;
    stream->is_live = 1;
}

/* A frame ends with an empty line; its id may come before or after its data. */
static void end_event(struct stream *stream) {
    again += stream->id && stream->id <= stream->last;
    stream->last = stream->id;
    stream->heard++;
    heard++;
    stream->has_event = 0;
}

static void end_line(struct stream *stream) {
    if (!stream->length || (stream->length == 1 && *stream->line == '\r')) {
        if (stream->has_event) end_event(stream);
    } else if (begins(stream, "id: ")) {
        stream->line[stream->length < LINE ? stream->length : LINE - 1] = 0;
        const char *dash = strchr(stream->line, '-');
        stream->id = atol(dash ? dash + 1 : stream->line + 4);
    } else if (begins(stream, mark)) {
        stream->has_event = 1;
    } else if (begins(stream, "event: tick")) {
        ticks++;
    } else if (*ready_mark && begins(stream, ready_mark)) {
        be_live(stream);
        if (memmem(stream->line, (size_t)stream->length, "\"resumed\"", 9)) {
            resumed += !stream->has_resumed;
            stream->has_resumed = 1;
        }
    }
    stream->length = 0;
}

static void take(struct stream *stream, const char *at, const char *end) {
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        long part = (newline ? newline : end) - at, room = LINE - stream->length;
        long kept = part < room ? part : room;
        memcpy(stream->line + stream->length, at, (size_t)kept);
        stream->length += (int)kept;
        if (!newline) return;
        end_line(stream);
        at = newline + 1;
    }
}

static void hear(struct stream *stream) {
    static char buffer[CHUNK];
    ssize_t got = read(stream->fd, buffer, sizeof buffer);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        epoll_ctl(poll_fd, EPOLL_CTL_DEL, stream->fd, NULL);
        ended++;
        return;
    }
    if (!*ready_mark) be_live(stream);
    take(stream, buffer, buffer + got);
}

static void count(void) {
    long least = opened ? streams[0].heard : 0, most = 0;
    for (int i = 0; i < opened; i++) {
        if (streams[i].heard < least) least = streams[i].heard;
        if (streams[i].heard > most) most = streams[i].heard;
    }
    printf("%ld %ld %ld %ld %d %d %d %ld\n", heard, least, most, again, live, resumed, ended,
           ticks);
}

static void reset(void) {
    heard = again = ticks = 0;
    for (int i = 0; i < opened; i++) streams[i].heard = 0;
    puts("0");
}

static void stop(int many) {
    for (int i = 0; i < many && i < opened; i++)
        epoll_ctl(poll_fd, EPOLL_CTL_DEL, streams[i].fd, NULL);
    puts("0");
}

static void close_all(void) {
    /* A reset leaves no port behind that waits for a minute. */
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < opened; i++) {
        setsockopt(streams[i].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(streams[i].fd);
    }
    opened = live = resumed = ended = 0;
    heard = again = ticks = 0;
    rewind(heads);
    puts("0");
}

static void obey(const char *line) {
    double number = 0;
    long first = 0;
    char command[16] = "";
    sscanf(line, "%15s %ld %lf", command, &first, &number);
    began = now();
    if (!strcmp(command, "open")) {
        goal = OPEN;
        goal_opened = opened + (int)first;
        in_flight = (int)number;
        deadline = began + 1e9;
    } else if (!strcmp(command, "wait")) {
        goal = WAIT;
        goal_heard = first;
        deadline = began + number;
    } else if (!strcmp(command, "counts")) {
        count();
    } else if (!strcmp(command, "reset")) {
        reset();
    } else if (!strcmp(command, "stop")) {
        stop((int)first);
    } else if (!strcmp(command, "close")) {
        close_all();
    } else {
        exit(0);
    }
    fflush(stdout);
}

static void go_on(void) {
    if (goal == OPEN)
        while (opened < goal_opened && opened - live - ended < in_flight) open_one();
    int is_reached = goal == OPEN ? live + ended >= goal_opened : heard >= goal_heard;
    if (goal == NONE || (!is_reached && now() < deadline)) return;
    printf("%ld %.6f\n", goal == OPEN ? (long)live : heard, now() - began);
    fflush(stdout);
    goal = NONE;
}

int main(int count, char **words) {
    if (count != 7) return 2;
    raise_limit();
    port = atoi(words[1]);
    path = words[2];
    heads = fopen(words[3], "r");
    if (!heads) fail(words[3]);
    mark = words[4];
    ready_mark = words[5];
    buffer_bytes = atoi(words[6]);
    poll_fd = epoll_create1(0);
    struct epoll_event commands = {.events = EPOLLIN, .data.u32 = MOST};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, 0, &commands);
    for (;;) {
        struct epoll_event ready[READY];
        int found = epoll_wait(poll_fd, ready, READY, goal == NONE ? -1 : 100);
        for (int i = 0; i < found; i++) {
            if (ready[i].data.u32 != MOST) {
                hear(&streams[ready[i].data.u32]);
                continue;
            }
            char line[128]; /* its other end waits for the answer before it writes another */
            ssize_t got = read(0, line, sizeof line - 1);
            if (got <= 0) return 0;
            line[got] = 0;
            obey(line);
        }
        go_on();
    }
}
