#!/usr/bin/env python3
"""The class's application: says which machine answered, and counts its visits in the database.

It listens on port 8000. DB_HOST and DB_PASSWORD say where its database is.
"""

import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2

MACHINE = socket.gethostname()
PORT = 8000

COUNT = """
INSERT INTO visits VALUES (%s, 1)
ON CONFLICT (machine) DO UPDATE SET count = visits.count + 1
RETURNING count, (SELECT setting FROM pg_settings WHERE name = 'server_version')
"""


def visit():
    """Counts a visit; the number of this machine's visits and the database's version."""
    connection = psycopg2.connect(
        host=os.environ["DB_HOST"], dbname="app", user="app", password=os.environ["DB_PASSWORD"], connect_timeout=3
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(COUNT, (MACHINE,))
            return cursor.fetchone()
    finally:
        connection.close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/":
            try:
                count, version = visit()
                self.answer(200, f"visit {count} to {MACHINE}, counted by PostgreSQL {version} on {os.environ['DB_HOST']}")
            except psycopg2.Error as error:
                self.answer(503, f"{MACHINE} does not reach its database: {error}")
        elif self.path == "/ready":
            self.answer(200, f"{MACHINE} is ready")
        else:
            self.answer(404, f"{MACHINE} has nothing at {self.path}")

    def answer(self, status, text):
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Handled-By", MACHINE)
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        # The address as it is: to ask for its name would make every request wait.
        return self.client_address[0]


def main():
    server = ThreadingHTTPServer(("", PORT), Handler)
    if os.geteuid() == 0:
        # An application that the world talks to needs no rights of root.
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    server.serve_forever()


if __name__ == "__main__":
    main()
