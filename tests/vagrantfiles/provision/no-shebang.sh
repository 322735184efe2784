function greet { echo "hello"; }
greet
