create function at_home(x inet) returns boolean as true
