/* A stand-in for S3 and DynamoDB that costs next to nothing: it looks for words in a request and
 * sends the answer that was prepared for them. See null_aws.py, which builds it and prepares them.
 *
 *     null_aws ROUTES DELAY
 *
 * ROUTES has a line for each answer: a word of the head, a word of the head or the body, and the
 * file with the whole answer, separated by tabs. The first line whose words both occur counts.
 * DELAY is how many microseconds each answer is kept back.
 * Prints its port once it listens.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_ROUTES = 64, KEPT_BYTES = 64 * 1024 };

struct route {
    char head_word[128], any_word[128];
    char *answer;
    size_t length;
};

static struct route routes[MAX_ROUTES];
static int route_count;
static useconds_t delay;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void load(struct route *route, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    fseek(file, 0, SEEK_END);
    route->length = (size_t)ftell(file);
    rewind(file);
    route->answer = malloc(route->length + 1);
    if (!route->answer || fread(route->answer, 1, route->length, file) != route->length) fail(path);
    fclose(file);
}

static void load_all(const char *path) {
    char answer[1024];
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    while (route_count < MAX_ROUTES) {
        struct route *route = &routes[route_count];
        if (fscanf(file, "%127[^\t]\t%127[^\t]\t%1023[^\n]\n", route->head_word, route->any_word, answer) != 3) break;
        load(route, answer);
        route_count++;
    }
    fclose(file);
}

static int send_all(int socket, const char *data, size_t length) {
    while (length) {
        ssize_t sent = send(socket, data, length, MSG_NOSIGNAL);
        if (sent <= 0) return -1;
        data += sent;
        length -= (size_t)sent;
    }
    return 0;
}

static int answer(int socket, const char *head, size_t head_length, size_t kept) {
    for (int i = 0; i < route_count; i++) {
        struct route *route = &routes[i];
        if (memmem(head, head_length, route->head_word, strlen(route->head_word)) &&
            memmem(head, kept, route->any_word, strlen(route->any_word)))
            return send_all(socket, route->answer, route->length);
    }
    static const char unknown[] = "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n";
    fprintf(stderr, "null_aws: no answer to %.*s\n", (int)head_length, head);
    return send_all(socket, unknown, sizeof unknown - 1);
}

static void *serve(void *argument) {
    int socket = (int)(long)argument, on = 1;
    char *buffer = malloc(KEPT_BYTES), *rest = malloc(KEPT_BYTES);
    size_t filled = 0;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (;;) {
        char *end;
        while (!(end = memmem(buffer, filled, "\r\n\r\n", 4))) {
            ssize_t got = filled < KEPT_BYTES ? recv(socket, buffer + filled, KEPT_BYTES - filled, 0) : 0;
            if (got <= 0) goto closed;
            filled += (size_t)got;
        }
        size_t head = (size_t)(end - buffer) + 4, body = 0;
        char saved = buffer[head - 1];
        buffer[head - 1] = 0; /* strcasestr reads to the end of a string */
        const char *length = strcasestr(buffer, "\r\ncontent-length:");
        if (length) body = strtoul(length + 17, NULL, 10);
        int waits = strcasestr(buffer, "\r\nexpect: 100-continue") != NULL;
        buffer[head - 1] = saved;
        if (waits && send_all(socket, "HTTP/1.1 100 Continue\r\n\r\n", 25)) break;
        size_t wanted = head + body;
        while (filled < wanted && filled < KEPT_BYTES) {
            ssize_t got = recv(socket, buffer + filled, KEPT_BYTES - filled, 0);
            if (got <= 0) goto closed;
            filled += (size_t)got;
        }
        size_t kept = filled < wanted ? filled : wanted;
        for (size_t left = wanted - kept; left;) {
            ssize_t got = recv(socket, rest, left < KEPT_BYTES ? left : KEPT_BYTES, 0);
            if (got <= 0) goto closed;
            left -= (size_t)got;
        }
        if (delay) usleep(delay);
        if (answer(socket, buffer, head, kept)) break;
        filled -= kept;
        memmove(buffer, buffer + kept, filled);
    }
closed:
    close(socket);
    free(buffer);
    free(rest);
    return NULL;
}

int main(int count, char **arguments) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (count != 3) fail("null_aws ROUTES DELAY");
    signal(SIGPIPE, SIG_IGN);
    load_all(arguments[1]);
    delay = (useconds_t)strtoul(arguments[2], NULL, 10);
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 128)) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        int socket = accept(listener, NULL, NULL);
        if (socket < 0) continue;
        if (pthread_create(&thread, NULL, serve, (void *)(long)socket)) close(socket);
        else pthread_detach(thread);
    }
}
