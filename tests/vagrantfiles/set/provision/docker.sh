#!/bin/sh
echo docker "$@"
