#!/bin/sh
echo client "$@"
