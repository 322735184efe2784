#!/bin/sh
echo db "$@"
