#!/bin/sh
echo join "$@"
