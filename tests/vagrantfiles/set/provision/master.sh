#!/bin/sh
echo master "$@"
