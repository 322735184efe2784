#!/bin/sh
echo web "$@"
