# Certificates for the scripts beside this one, made in the current folder; to be sourced.

# root NAME SUBJECT: an authority, in NAME.key and NAME.pem
root() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "$2" \
    -keyout "$1.key" -out "$1.pem" 2>/dev/null
}

# issued NAME ROOT SUBJECT EXTENSION: a certificate of that authority. Without any extension openssl
# makes one of version 1, which nobody takes.
issued() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$3" \
    -keyout "$1.key" -out "$1.csr" 2>/dev/null
  echo "$4" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 90 \
    -extfile "$1.ext" -out "$1.pem" 2>/dev/null
}
