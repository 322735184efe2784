#!/bin/sh
# web1: nginx on port 80, which hands each request to the next application server.
#
#   balancer.sh SERVER:PORT…
#
# Teaches: a load balancer in a few lines. Stop the application on web2 (`lab exec web2 -- sudo service class-app stop`)
# and look what happens to the answers.
set -eu

{
  echo '# Written by balancer.sh.'
  echo 'upstream application {'
  for server; do
    # After a failure a server is left out for two seconds.
    echo "    server $server max_fails=1 fail_timeout=2s;"
  done
  cat <<'END'
}

server {
    listen 80 default_server;
    location / {
        proxy_pass http://application;
        proxy_set_header Host $host;
        proxy_connect_timeout 2s;
    }
}
END
} >/etc/nginx/sites-available/class

rm -f /etc/nginx/sites-enabled/default
ln -sf ../sites-available/class /etc/nginx/sites-enabled/class

# One worker takes the servers strictly in turn; several would each begin with the first one.
sed -i 's/^worker_processes.*/worker_processes 1;/' /etc/nginx/nginx.conf

update-rc.d nginx defaults
service nginx restart
echo "the balancer answers on port 80, for: $*"
