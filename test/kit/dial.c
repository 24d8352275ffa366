#include "kit/dial.h"
#include "base/time.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int dial(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 60};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) {
        close(fd);
        return -1;
    }
    return fd;
}
bool say(int fd, const char *text, size_t length) {
    return send(fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}
bool hear(int fd, const char *words, char *out, size_t size) {
    size_t n = 0;
    while (n + 1 < size) {
        ssize_t got = recv(fd, out + n, size - 1 - n, 0);
        if (got < 0 && errno == EINTR) continue; /* stopped and gone on: SO_RCVTIMEO ends recv */
        if (got <= 0) break;
        out[n += (size_t)got] = 0;
        if (strstr(out, words)) return true;
    }
    out[n] = 0;
    return false;
}
bool soon(atomic_int *count, int wanted, double seconds) {
    for (int left = (int)(1e3 * seconds); left > 0; left--, time_sleep_ns(1000000))
        if (atomic_load(count) >= wanted) return true;
    return false;
}

int ask_begin(int port, const char *what, const char *headers, const char *body) {
    char head[1024];
    int fd = dial(port),
        n = snprintf(head, sizeof head,
                     "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
                     what, headers, strlen(body));
    if (fd >= 0 && say(fd, head, (size_t)n) && say(fd, body, strlen(body))) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

int ask(int port, const char *what, const char *headers, const char *body, char *out, size_t size) {
    int fd = ask_begin(port, what, headers, body);
    *out = 0;
    if (fd < 0) return 0;
    hear(fd, "\n\n\n\n", out, size); /* nothing that an answer holds: to the end */
    close(fd);
    return !strncmp(out, "HTTP/1.1 ", 9) ? atoi(out + 9) : 0;
}
