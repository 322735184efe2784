#!/bin/sh
set -eu
hostname
