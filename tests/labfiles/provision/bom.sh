#!/bin/sh
echo bom
