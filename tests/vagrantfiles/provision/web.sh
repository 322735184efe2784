#!/bin/sh
cp /vagrant/site/index.html /srv/
