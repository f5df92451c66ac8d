"""Messages of other systems, read and checked: charging profiles (OCPP), grid events (OpenADR); knows no bank."""
