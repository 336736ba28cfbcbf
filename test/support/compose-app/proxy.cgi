#!/bin/sh
printf "Content-Type: text/plain\r\n\r\n"
exec wget -q -O - http://api:8080/
