#!/bin/sh
echo lb "$@"
