#!/bin/sh
echo common "$@"
